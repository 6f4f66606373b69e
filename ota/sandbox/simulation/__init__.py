"""A deterministic simulation of the whole service in virtual time, with every fault that MONEY.md fears (`ota-sandbox simulate`)."""
