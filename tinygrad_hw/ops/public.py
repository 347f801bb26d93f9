"""Every public operator under its one name; each family lists its own in ``__all__``."""

from .activation import *
from .adaptive import *
from .arithmetic import *
from .arrange import *
from .attention import *
from .convolution import *
from .ctc import *
from .dropout import *
from .embedding import *
from .index import *
from .linalg import cholesky as cholesky
from .linalg import cholesky_inverse as cholesky_inverse
from .linalg import cholesky_solve as cholesky_solve
from .linalg import det as det
from .linalg import inverse as inverse
from .linalg import logdet as logdet
from .linalg import matrix_exp as matrix_exp
from .linalg import matrix_power as matrix_power
from .linalg import pinverse as pinverse
from .linalg import slogdet as slogdet
from .logic import *
from .loss import *
from .margin import *
from .matrix import *
from .normalization import *
from .piecewise import *
from .pointwise import *
from .pooling import *
from .product import *
from .reduce import *
from .resampling import *
from .rounding import *
from .scan import *
from .scatter import *
from .shape import *
from .sort import *
from .special import *
from .statistics import *
from .trigonometric import *
