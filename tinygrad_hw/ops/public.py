"""Every public operator under its one name; each family lists its own in ``__all__``."""

from .activation import *
from .convolution import *
from .dropout import *
from .index import *
from .loss import *
from .normalization import *
from .pointwise import *
from .pooling import *
from .product import *
from .reduce import *
from .shape import *
