"""Reports that come by themselves: kept, registered, and matched with their studies."""
