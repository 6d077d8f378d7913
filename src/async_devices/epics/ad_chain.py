"""The way of a frame from the camera to the file writer, through the plug-ins in between.

    camera ──► ROI1 ──► PROC1 ──► HDF1          each names the port of the one before (NDArrayPort)

A plug-in that is not enabled, takes its frames from somewhere else, or passes over some, loses frames without counting
them. So the way is read back from the writer's input to the camera before every capture.
"""

from collections.abc import Mapping

from ...task_scope import together
from ..errors import FrameLayoutError, PluginChainError
from .ad_block import AdBlock
from .ad_driver import AdDriver
from .ad_layout import FrameLayout
from .ad_plugins import AdPlugin


class PluginChain:
    """What lies between a driver and a writer."""

    def __init__(
        self, driver: AdDriver, writer: AdPlugin, *, plugins: Mapping[str, AdPlugin], source: str | None = None
    ) -> None:
        """Name the parts.

        Args:
            driver: Where frames come from.
            writer: Where they are to go.
            plugins: Everything that may lie in between, by name.
            source: Which of them feeds the writer; None: the driver does.
        """
        if source is not None and source not in plugins:
            msg = f"{source!r} is to feed the writer, but the detector's plug-ins are {sorted(plugins)}"
            raise PluginChainError(msg)
        self._driver, self._writer = driver, writer
        self._plugins, self._source = plugins, source
        self._seen: FrameLayout | None = None
        self.route: tuple[AdPlugin, ...] = ()

    async def connect_writer(self) -> None:
        """Wire the writer's input, enable it, and look at everything before it.

        Raises:
            PluginChainError: Frames would not all arrive; naming the PV, what was seen and what to do.
        """
        port = await self._feeder.port_name.get_value()
        await together(
            self._writer.input_port.put(port),
            self._writer.enable_callbacks.put(True),
            self._writer.min_callback_time.put_if_present(0.0),
            self._writer.blocking_callbacks.put_if_present(False),
        )
        if (seen := await self._writer.input_port.get_value()) != port:
            raise PluginChainError(self._broken(self._writer, seen, ports=[port]))
        await self.follow()

    @property
    def _feeder(self) -> AdBlock:
        return self._driver if self._source is None else self._plugins[self._source]

    async def follow(self) -> None:
        """Read back the way from what feeds the writer to the camera into `route`.

        Raises:
            PluginChainError: It does not lead there, or a plug-in on it loses frames.
        """
        ports = {await plugin.port_name.get_value(): plugin for plugin in self._plugins.values()}
        origin = await self._driver.port_name.get_value()
        route: list[AdPlugin] = []
        follower, port = self._writer, await self._feeder.port_name.get_value()
        while port != origin:
            plugin = ports.get(port)
            if plugin is None or plugin in route:
                raise PluginChainError(self._broken(follower, port, ports=[origin, *ports]))
            await self._check_passes(plugin)
            route.append(plugin)
            follower, port = plugin, await plugin.input_port.get_value()
        self.route = tuple(reversed(route))

    async def _check_passes(self, plugin: AdPlugin) -> None:
        if withheld := await plugin.withholding():
            msg = f"{plugin.name} lies between camera and file and would lose frames: {withheld}"
            raise PluginChainError(msg)
        if not await plugin.array_callbacks.value_or(True):
            msg = f"{plugin.name} passes nothing on: {plugin.array_callbacks.source} is Disable, expected Enable"
            raise PluginChainError(msg)

    def _broken(self, follower: AdPlugin, port: str, *, ports: list[str]) -> str:
        return (
            f"{follower.name} takes its frames from {port!r} ({follower.input_port.source}), which does not lead to "
            f"the camera; expected one of {ports}. Wire it, or declare the plug-in that has this port"
        )

    async def layout(self) -> FrameLayout:
        """The frames that will arrive at the writer, by the settings of everything before it.

        Raises:
            FrameLayoutError: A setting whose effect is not known, and no frame was taken since (`remember`).
        """
        await self.follow()
        try:
            layout = await self._driver.frame_layout()
            for plugin in self.route:
                layout = await plugin.layout_after(layout)
        except FrameLayoutError:
            if self._seen is None:
                raise
            return self._seen
        return layout

    async def remember(self) -> FrameLayout:
        """Take the last frame that the writer was given for what it will be given, where that cannot be foretold."""
        self._seen = await self._writer.last_layout()
        return self._seen

    @property
    def counting(self) -> tuple[AdPlugin, ...]:
        """Everything that may drop frames on the way, the writer last."""
        return (*self.route, self._writer)

    async def reset_dropped(self) -> None:
        """Count dropped frames from here on."""
        await together(*(plugin.dropped_arrays.put(0) for plugin in self.counting))

    async def dropped(self) -> int:
        """Frames dropped anywhere on the way since the reset."""
        return sum(await together(*(plugin.dropped_arrays.get_value() for plugin in self.counting)))

    async def queued(self) -> int:
        """Frames that wait anywhere on the way."""
        sizes = await together(*(plugin.queue_size.get_value() for plugin in self.counting))
        free = await together(*(plugin.queue_free.get_value() for plugin in self.counting))
        return sum(max(0, size - left) for size, left in zip(sizes, free, strict=True))
