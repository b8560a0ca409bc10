"""What is kept of runs, as plain data: for the web application, for assistants, for export.

Needs the extra ``server``; importing this package alone loads nothing.
"""
