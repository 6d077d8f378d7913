"""Plan stubs: what a plan awaits, under bluesky's names.

Each makes one message, or a few, and gives the message's result. `mv` and the like raise what the device failed
with, at this await.
"""

from .control import checkpoint as checkpoint
from .control import clear_checkpoint as clear_checkpoint
from .control import deferred_pause as deferred_pause
from .control import inline as inline
from .control import input_plan as input_plan
from .control import install_suspender as install_suspender
from .control import null as null
from .control import pause as pause
from .control import performed as performed
from .control import remove_suspender as remove_suspender
from .control import sleep as sleep
from .control import subscribe as subscribe
from .control import unsubscribe as unsubscribe
from .control import wait as wait
from .control import wait_for as wait_for
from .events import create as create
from .events import declare_stream as declare_stream
from .events import drop as drop
from .events import monitor as monitor
from .events import save as save
from .events import unmonitor as unmonitor
from .flying import collect as collect
from .flying import collect_while_completing as collect_while_completing
from .flying import complete as complete
from .flying import complete_all as complete_all
from .flying import kickoff as kickoff
from .flying import kickoff_all as kickoff_all
from .flying import prepare as prepare
from .moving import abs_set as abs_set
from .moving import locate as locate
from .moving import mov as mov
from .moving import movr as movr
from .moving import mv as mv
from .moving import mvr as mvr
from .moving import rel_set as rel_set
from .moving import stop as stop
from .points import move_per_step as move_per_step
from .points import one_1d_step as one_1d_step
from .points import one_nd_step as one_nd_step
from .points import one_shot as one_shot
from .reading import configure as configure
from .reading import rd as rd
from .reading import read as read
from .reading import trigger as trigger
from .reading import trigger_and_read as trigger_and_read
from .repeating import broadcast_msg as broadcast_msg
from .repeating import caching_repeater as caching_repeater
from .repeating import repeat as repeat
from .repeating import repeater as repeater
from .runs import add_to_stop as add_to_stop
from .runs import close_run as close_run
from .runs import open_run as open_run
from .runs import run as run
from .staging import stage as stage
from .staging import stage_all as stage_all
from .staging import staged as staged
from .staging import unstage as unstage
from .staging import unstage_all as unstage_all
