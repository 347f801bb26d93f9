"""Read the page given, or one that is drawn here: turned, with joined letters and a shadow."""

import sys

from tinygrad_hw import reader
from tinygrad_hw.reader.rendering import render

if len(sys.argv) > 1:
    page = sys.argv[1]
else:
    page = render(["THE QUICK BROWN FOX", "CALL 555 0172"], turn=10, joined=["QUICK"], shade=0.5)
found = reader.read(page)
print(found.text)
print(f"turned by {found.turn:.1f} degrees")
least = min((c for line in found.lines for c in line), key=lambda c: c.confidence)
print(f"least certain: {least.text} ({least.confidence:.2f}), at {least.box}")
