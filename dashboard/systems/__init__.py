"""The five sample systems' own pages, HTTP entries and tables; absent when the demonstration is off."""
