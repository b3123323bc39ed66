"""What people look at: tables, plots and the words in them. Nothing is computed here that isn't drawn or written."""
