"""The only place that imports heavy third parties: tables, models, training, teachers."""
