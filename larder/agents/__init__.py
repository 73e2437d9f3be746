"""What programs are served that ask on somebody's behalf: the catalog, metrics and guarded SQL over what is published."""
