"""The Z-API surface: the whole contract of Z-API, served by Recado's own queue and providers.

surface.py     finds instance and route, checks who calls, reads and answers
route.py       what a route is; `routes.py` has all of them
sends.py       what all routes that send share; fields.py the fields, examples.py the documented values, errors.py errors
"""
