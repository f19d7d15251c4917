"""The classification head that training fits and conversion refits."""
