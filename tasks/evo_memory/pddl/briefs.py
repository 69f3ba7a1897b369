"""What an agent is told about each planning domain, in our own sentences."""

from __future__ import annotations

_GRIPPER = """You are a robot with two grippers, left and right, that carries balls between rooms.
Actions, with the names that you see:
- move <room> <room>: go from the room where you are to another one.
- pick <ball> <room> <gripper>: take a ball that lies in your room with a gripper that is free.
- drop <ball> <room> <gripper>: put a ball that a gripper carries down in your room, which frees \
the gripper.
A gripper carries one ball at a time."""

_BLOCKWORLD = """You are a robot arm that stacks blocks on a table and holds one block at a time.
Actions, with the names that you see:
- pickup <block>: take a block from the table; it must be clear (nothing on it) and your arm empty.
- putdown <block>: put the block that you hold on the table.
- stack <block> <block>: put the block that you hold, named first, on a block that is clear.
- unstack <block> <block>: take the first block off the second one; the first must be clear and \
your arm empty."""

_BARMAN = """You are a barman with two hands, called left and right. You fill shot glasses with \
ingredients from dispensers, and mix cocktails of two ingredients in a shaker.
Actions, with the names that you see:
- <hand> grasp <container>: take a glass or the shaker from the table with an empty hand.
- <hand> leave <container>: put what the hand holds back on the table.
- fill-shot <shot> <ingredient> <hand> <other hand> <dispenser>: fill the glass in the first hand, \
which must be clean and empty; the other hand must be empty.
- refill-shot <shot> <ingredient> <hand> <other hand> <dispenser>: the same for an empty glass \
that last held this very ingredient.
- empty-shot <hand> <shot> <beverage>: pour away what the glass in your hand holds.
- clean-shot <shot> <beverage> <hand> <other hand>: wash the empty glass in the first hand, which \
last held the beverage; the other hand must be empty.
- pour-shot-to-clean-shaker <shot> <ingredient> <shaker> <hand> <level> <next level>: pour the \
glass in your hand into a shaker that is clean and empty; the shaker rises from its level to the \
next.
- pour-shot-to-used-shaker <shot> <ingredient> <shaker> <hand> <level> <next level>: the same for \
a shaker with something unshaken in it.
- shake <cocktail> <ingredient> <ingredient> <shaker> <hand> <other hand>: make a cocktail of its \
two ingredients, first part first, in the shaker in the first hand; the other hand must be empty.
- pour-shaker-to-shot <beverage> <shot> <hand> <shaker> <level> <level below>: pour a shaken \
cocktail from the shaker in your hand into a glass that is clean and empty; the shaker falls from \
its level to the one below.
- empty-shaker <hand> <shaker> <cocktail> <level> <empty level>: pour away a shaken cocktail.
- clean-shaker <hand> <other hand> <shaker>: wash the empty shaker in the first hand; the other \
hand must be empty.
After an action you are told only what is new."""

_TYREWORLD = """You change the wheels of a car. Tools and spare wheels are in the boot.
Actions, with the names that you see:
- open <container>, close <container>: a closed container must be unlocked to be opened.
- fetch <object> <container>: take something out of an open container.
- put-away <object> <container>: put something that you have into an open container.
- loosen <nut> <hub>, tighten <nut> <hub>: with the wrench, while the hub is on the ground.
- jack-up <hub>: lift a hub off the ground; the jack stays under it.
- jack-down <hub>: lower the hub to the ground and take the jack back.
- undo <nut> <hub>: with the wrench, take a loose nut off a lifted hub, which unfastens it.
- do-up <nut> <hub>: with the wrench, put a nut that you have on a lifted, unfastened hub; it is \
loose then.
- remove-wheel <wheel> <hub>: take the wheel off a lifted, unfastened hub.
- put-on-wheel <wheel> <hub>: put a wheel that you have on a lifted, unfastened, free hub.
- inflate <wheel>: with the pump, fill an intact wheel with air.
After an action you are told only what is new."""

_MORE = """
- check valid actions: list what you can do now.
An action that is not possible has no effect. Every action counts, also one without effect."""

_LOOK = """
- look around: see the whole state."""

INSTRUCTIONS = {
    "gripper": _GRIPPER + _MORE,
    "blockworld": _BLOCKWORLD + _MORE,
    "barman": _BARMAN + _LOOK + _MORE,
    "tyreworld": _TYREWORLD + _LOOK + _MORE,
}
HINTS = "To see what you can do now, use: check valid actions."
