"""Issuance (空发卡): from an empty secure element to an active card with balance zero."""
