"""The pages. They draw what ``views`` returns, and compute nothing."""
