"""One delivery process: claims, attempts, settles, claims again."""
