from colorzoo.studio.widget import Pad as Pad
