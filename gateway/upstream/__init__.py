"""The services' edge: the only room that speaks HTTP to upstreams, and the only one importing requests and urllib3."""
