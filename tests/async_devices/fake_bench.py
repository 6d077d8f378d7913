"""A bench without hardware: a motion controller behind a pseudo-terminal, and a cv2 that sees it.

The controller speaks its text protocol over a real terminal device, from a thread of its own; `FakeSerial` opens that
terminal as pyserial would.
"""

import os
import select
import threading
import time
import tty
from types import SimpleNamespace

import numpy as np

SPEED = 20.0
"""mm/s."""


class FakeController:
    """Answers nTP?, nPAx, nMD? and nST for axes 1 and 2, one line each."""

    def __init__(self):
        self.master, self._slave = os.openpty()
        tty.setraw(self.master)
        tty.setraw(self._slave)
        self.port = os.ttyname(self._slave)
        self.commands = []
        self._axes = dict.fromkeys("12", (0.0, 0.0, 0.0))  # from, to, when
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def position(self, number):
        start, target, begun = self._axes[number]
        travelled = min(abs(target - start), SPEED * (time.monotonic() - begun))
        return start + travelled * np.sign(target - start)

    def _serve(self):
        received = b""
        while not self._ending.is_set():
            if not select.select([self.master], [], [], 0.05)[0]:
                continue
            received += os.read(self.master, 1024)
            *lines, received = received.split(b"\n")
            for line in lines:
                os.write(self.master, self._answer(line.decode()).encode() + b"\r\n")

    def _answer(self, command):
        self.commands.append(command)
        number, verb, value = command[0], command[1:3], command[3:]
        position = self.position(number)
        match verb:
            case "TP":
                return f"{position:.4f}"
            case "MD":
                return str(int(position == self._axes[number][1]))
            case "PA":
                self._axes[number] = (position, float(value), time.monotonic())
            case "ST":
                self._axes[number] = (position, position, time.monotonic())
            case _:
                return "ERROR"
        return "OK"

    def end(self):
        self._ending.set()
        self._thread.join()
        os.close(self.master)
        os.close(self._slave)


class FakeSerial:
    """As much of serial.Serial as the how-to uses."""

    def __init__(self, port, baudrate, timeout):
        self._terminal = os.open(port, os.O_RDWR | os.O_NOCTTY)
        self._timeout = timeout

    def write(self, text):
        os.write(self._terminal, text)

    def readline(self):
        line, until = b"", time.monotonic() + self._timeout
        while not line.endswith(b"\n"):
            if not select.select([self._terminal], [], [], max(0.0, until - time.monotonic()))[0]:
                break
            line += os.read(self._terminal, 1)
        return line

    def close(self):
        os.close(self._terminal)


def fake_cv2(controller):
    """A camera whose driver keeps one frame ready; a picture shows where the axes were when it was exposed."""

    class VideoCapture:
        def __init__(self, index):
            self.released, self.isOpened = False, lambda: index == 0
            self._ready = self._expose()

        def set(self, prop, value):
            return True

        def grab(self):
            self._ready = self._expose()
            return True

        def read(self):
            image, self._ready = self._ready, self._expose()
            return True, image

        def release(self):
            self.released = True

        def _expose(self):
            image = np.zeros((8, 10, 3), np.uint8)
            image[0, 0], image[0, 1] = (round(10 * controller.position(number)) for number in "12")
            return image

    return SimpleNamespace(
        VideoCapture=VideoCapture, CAP_PROP_EXPOSURE=15, COLOR_BGR2GRAY=6, cvtColor=lambda image, code: image[:, :, 0]
    )
