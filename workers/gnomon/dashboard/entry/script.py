"""What Streamlit runs for each look at a page."""

from gnomon.dashboard.app import main

main()
