"""The demo: the site, the relay and the consumers as processes, and visitors who keep them busy."""
