"""What web pages share: a bounded server, access with a token, and the form that asks for it."""
