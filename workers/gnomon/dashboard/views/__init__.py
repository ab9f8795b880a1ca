"""What each page shows, as plain data. Nothing here imports Streamlit."""
