"""What Streamlit runs. It must not be beside the folder ``pages``: Streamlit would run its modules as scripts."""
