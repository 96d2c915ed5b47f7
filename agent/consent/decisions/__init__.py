"""The rules that an owner's decision must satisfy."""
