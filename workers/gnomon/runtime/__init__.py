"""The batch runtime on Faust: transactions, state, health, supervision."""
