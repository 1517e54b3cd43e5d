"""What stands behind the ports: the only modules that know a vendor, a disk or a codec."""
