"""Commands that train models, judge them and switch between them."""
