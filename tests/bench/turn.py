def run(options):
    """x"""
