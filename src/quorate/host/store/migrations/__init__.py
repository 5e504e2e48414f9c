"""How the tables came to be: one numbered step after another, run by `database.Database` when a store is opened."""
