"""The sandbox: a virtual card, phone, terminal and city host to try the platform with; the product never imports it."""
