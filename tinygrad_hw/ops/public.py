"""Every public operator under its one name; each family lists its own in ``__all__``."""

from .activation import *
from .adaptive import *
from .attention import *
from .convolution import *
from .ctc import *
from .dropout import *
from .embedding import *
from .index import *
from .loss import *
from .normalization import *
from .pointwise import *
from .pooling import *
from .product import *
from .reduce import *
from .resampling import *
from .shape import *
