"""The exchange store: a row for each ended exchange in a database, written off the path, and exports of them."""
