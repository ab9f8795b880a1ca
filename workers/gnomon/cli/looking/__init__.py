"""Commands that show what is there: topics, records, decisions, stages."""
