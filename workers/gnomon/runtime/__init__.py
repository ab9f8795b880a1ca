"""The batch runtime on Faust: ``process`` runs partitions, and ``partition`` uses ``kafka``."""
