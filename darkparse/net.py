"""[net]: the input's size, the schedule and the augmentation."""

from dataclasses import dataclass

from .options import ignored, option
from .registry import Shape


@dataclass(frozen=True, kw_only=True)
class Net:
    """Source: src/parser.c parse_net_options (AlexeyAB 59596d7; the last block pjreddie f6afaab)."""

    # the input
    width: int = option(0, least=0)
    height: int = option(0, least=0)
    channels: int = option(0, least=0)
    inputs: int = option(0, least=0)
    letter_box: int = option(-1, least=0, most=1)  # -1: not given
    # a step of training
    batch: int = option(1, least=1)
    subdivisions: int = option(1, least=1)
    time_steps: int = option(1, least=1)
    track: bool = False
    augment_speed: int = 2
    sequential_subdivisions: int = 0
    dynamic_minibatch: bool = False
    max_batches: int = 0
    # the learning rate
    learning_rate: float = 0.001
    learning_rate_min: float = 0.00001
    policy: str = option("constant", choices=("random", "poly", "constant", "step", "exp", "sigmoid", "steps", "sgdr"))
    burn_in: int = 0
    power: float = 4.0
    steps: tuple[int, ...] = ()
    scales: tuple[float, ...] = ()
    seq_scales: tuple[float, ...] = ()
    step: int = 1
    scale: float = 1.0
    gamma: float = 1.0
    sgdr_cycle: int = 0
    sgdr_mult: int = 2
    # the optimiser
    momentum: float = 0.9
    decay: float = 0.0001
    adam: bool = False
    B1: float = 0.9
    B2: float = 0.999
    eps: float = 0.000001
    ema_alpha: float = 0.0
    adversarial_lr: float = 0.0
    loss_scale: float = 1.0
    try_fix_nan: bool = False
    weights_reject_freq: int = 0
    equidistant_point: int = 0
    badlabels_rejection_percentage: float = 0.0
    num_sigmas_reject_badlabels: float = 0.0
    label_smooth_eps: float = 0.0
    contrastive: bool = False
    contrastive_jit_flip: bool = False
    contrastive_color: bool = False
    unsupervised: bool = False
    # augmentation
    max_crop: int = 0
    min_crop: int = 0
    flip: int = 1
    angle: float = 0.0
    aspect: float = 1.0
    saturation: float = 1.0
    exposure: float = 1.0
    hue: float = 0.0
    blur: int = 0
    gaussian_noise: int = 0
    mixup: int = 0
    cutmix: bool = False
    mosaic: bool = False
    mosaic_bound: bool = False
    resize_step: float = 32.0
    # memory, speed and display: no effect on any result
    optimized_memory: int = ignored(0)
    workspace_size_limit_MB: float = ignored(1024.0)
    use_cuda_graph: bool = ignored(False)
    attention: bool = ignored(False)
    max_chart_loss: float = 20.0
    show_receptive_field: bool = ignored(False)
    # pjreddie's alone
    notruth: bool = False
    random: int = 0
    max_ratio: float = 0.0
    min_ratio: float = 0.0
    center: bool = False
    clip: float = 0.0

    @property
    def shape(self) -> Shape:
        """The input: an image, or else `inputs` single values."""
        image = Shape(self.channels, self.height, self.width)
        return image if image.size else Shape(self.inputs, 1, 1)
