"""The dashboard: pages in a browser that show what gnomon knows. ``gnomon dashboard`` serves them.

``views`` makes plain data of what was read, without Streamlit; ``pages`` draws it.
"""
