"""The HTTP surface: routes and their wire shapes, authentication, errors.

A route says who may call it, decodes what it is given and calls a service. Rules live in services.
"""
