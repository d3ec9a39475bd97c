"""What stands between an application and a provider's SDK: it watches each call and changes nothing."""
