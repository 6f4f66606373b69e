"""Terminals: any card of any of the cities, loaded at any city's terminal (省内无差别充值)."""
