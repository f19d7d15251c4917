"""The base of web pages: a bounded server, access with a token, and the form that asks for it."""
