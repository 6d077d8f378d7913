"""Step scans for the rows that time their points: the devices, and a scan of them by either engine."""
