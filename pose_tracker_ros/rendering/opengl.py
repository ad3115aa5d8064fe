"""OpenGL rendering with pyrender: on a GPU, or on a CPU with Mesa, through EGL and without a display."""

from __future__ import annotations

import os
import threading
import weakref
from collections import deque
from functools import cache

import numpy as np

from pose_tracker_ros.camera import PinholeCamera
from pose_tracker_ros.objects import Mesh
from pose_tracker_ros.rendering.protocol import UNKNOWN_COLOR, Rendering
from pose_tracker_ros.rendering.texture_level import pyramid_level, texels_per_metre

# pyrender picks its platform when it is imported, and its own default needs a display.
os.environ.setdefault("PYOPENGL_PLATFORM", "egl")

# OpenGL's camera frame: x right, y up, z backward.
GL_T_OPTICAL = np.diag([1.0, -1.0, -1.0, 1.0])
NEAREST_M = 1e-3


class OpenGLRenderer:
    """Renders one mesh with pyrender; may be used from any thread, one rendering at a time.

    Normals have 8 bits a component, which is a quarter of a degree.
    """

    def __init__(self, mesh: Mesh) -> None:
        """Raises OSError when no OpenGL context can be made."""
        self._mesh = mesh
        self._radius = float(np.linalg.norm(mesh.vertices, axis=1).max())
        self._canvas = _open_canvas()
        self._texture = None if mesh.texture is None else _level_texture(mesh.texture)
        self._texels_per_metre = 0.0 if mesh.texture is None else texels_per_metre(mesh)
        with self._canvas.lock:
            self._nodes = (
                self._canvas.add(_albedo_primitive(mesh, self._texture)),
                self._canvas.add(_normal_primitive(mesh)),
            )
        weakref.finalize(self, self._canvas.discard, self._nodes)

    def render(self, camera: PinholeCamera, camera_T_object: np.ndarray, color: bool = True) -> Rendering:
        """See :class:`pose_tracker_ros.rendering.Renderer`."""
        near, far = self._near_and_far(camera_T_object)
        if far <= near:
            return _empty(camera)
        albedo, normal = self._nodes
        with self._canvas.lock:
            self._canvas.look_through(camera, near, far)
            normal_color, depth = self._canvas.draw(normal, camera_T_object)
            mask = depth > 0
            if self._texture is not None and mask.any():
                self._texture.level = pyramid_level(self._texels_per_metre, camera.fx, float(depth[mask].mean()))
            albedo_color = self._canvas.draw(albedo, camera_T_object)[0] if color else np.zeros_like(normal_color)
        albedo_color[~mask] = 0
        return Rendering(albedo_color, depth, _normals(normal_color, mask, camera, camera_T_object), mask)

    def color_and_depth(self, camera: PinholeCamera, camera_T_object: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Colour and depth of :meth:`render` alone, drawn at once; the object's origin chooses the texture's level."""
        near, far = self._near_and_far(camera_T_object)
        if far <= near:
            empty = _empty(camera)
            return empty.color, empty.depth
        albedo, _ = self._nodes
        with self._canvas.lock:
            self._canvas.look_through(camera, near, far)
            if self._texture is not None:
                distance = max(float(camera_T_object[2, 3]), near)
                self._texture.level = pyramid_level(self._texels_per_metre, camera.fx, distance)
            return self._canvas.draw(albedo, camera_T_object)

    def _near_and_far(self, camera_T_object: np.ndarray) -> tuple[float, float]:
        """Depths between which the mesh is, metres."""
        middle = float(camera_T_object[2, 3])
        return max(middle - 1.01 * self._radius, NEAREST_M), middle + 1.01 * self._radius


class _Canvas:
    """The one OpenGL context of the process, with the meshes of all renderers in it.

    pyrender ends every context on a display when it ends one, and uploads a mesh again when it draws
    another scene in between; one context with one scene avoids both.
    """

    def __init__(self) -> None:
        import pyrender

        self.lock = threading.Lock()
        self._discarded: deque = deque()
        self._camera = pyrender.IntrinsicsCamera(1.0, 1.0, 0.0, 0.0)
        self._scene = pyrender.Scene(bg_color=[0.0, 0.0, 0.0, 0.0])
        self._scene.add(self._camera)
        self._offscreen = pyrender.OffscreenRenderer(64, 64)
        self._offscreen._renderer = _single_sample_renderer()
        self._release()

    def add(self, primitive: object) -> object:
        """A node of the scene with one primitive, not visible yet."""
        import pyrender

        return self._scene.add(pyrender.Mesh([primitive], is_visible=False))

    def discard(self, nodes: tuple) -> None:
        """Take nodes out of the scene before something is drawn next; safe while something is being drawn."""
        self._discarded.extend(nodes)

    def look_through(self, camera: PinholeCamera, near: float, far: float) -> None:
        """Set size and intrinsics; OpenGL's pixel centres are at halves."""
        while self._discarded:
            self._scene.remove_node(self._discarded.popleft())
        self._offscreen.viewport_width, self._offscreen.viewport_height = camera.width, camera.height
        self._camera.fx, self._camera.fy = camera.fx, camera.fy
        self._camera.cx, self._camera.cy = camera.cx + 0.5, camera.cy + 0.5
        self._camera.znear, self._camera.zfar = near, far

    def draw(self, node: object, camera_T_object: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Unlit colours (H, W, 3) uint8 and depth (H, W) float32 metres, 0 = nothing, of one node alone."""
        import pyrender

        self._scene.set_pose(node, GL_T_OPTICAL @ camera_T_object)
        node.mesh.is_visible = True
        try:
            color, depth = self._offscreen.render(self._scene, pyrender.RenderFlags.FLAT)
        finally:
            node.mesh.is_visible = False
            self._release()
        return np.array(color), np.ascontiguousarray(depth)

    def _release(self) -> None:
        """Let another thread use the context, which pyrender would keep to this one."""
        if os.environ["PYOPENGL_PLATFORM"] != "egl":
            return
        from OpenGL.EGL import EGL_NO_CONTEXT, EGL_NO_SURFACE, eglMakeCurrent

        eglMakeCurrent(self._offscreen._platform._egl_display, EGL_NO_SURFACE, EGL_NO_SURFACE, EGL_NO_CONTEXT)


@cache
def _open_canvas() -> _Canvas:
    try:
        return _Canvas()
    except Exception as error:  # missing libraries and refused contexts come as many kinds
        raise OSError(
            "expected an OpenGL driver that draws without a display (EGL), but it could not be used: "
            f"{type(error).__name__}: {error}; install libegl1 and libgl1-mesa-dri or a GPU driver, "
            "or choose the renderer 'raycast'"
        ) from error


def _single_sample_renderer() -> object:
    """pyrender's renderer without multisampling.

    Multisampling mixes the background into the outline and takes depth beside the pixel centre.
    """
    from OpenGL.GL import GL_MULTISAMPLE, glDisable
    from pyrender.renderer import Renderer

    class SingleSampleRenderer(Renderer):
        def _bind_and_draw_primitive(self, primitive, pose, program, flags) -> None:
            glDisable(GL_MULTISAMPLE)
            super()._bind_and_draw_primitive(primitive, pose, program, flags)

    return SingleSampleRenderer(64, 64)


def _level_texture(image: np.ndarray) -> object:
    """A texture of which one level of the pyramid, ``level``, is shown."""
    import pyrender
    from OpenGL.GL import GL_LINEAR, GL_TEXTURE_BASE_LEVEL, glTexParameteri

    class LevelTexture(pyrender.Texture):
        level = 0

        def _bind(self) -> None:
            super()._bind()
            glTexParameteri(self.tex_type, GL_TEXTURE_BASE_LEVEL, min(self.level, int(np.log2(max(image.shape[:2])))))

    sampler = pyrender.Sampler(minFilter=GL_LINEAR, magFilter=GL_LINEAR)
    return LevelTexture(sampler=sampler, source=np.ascontiguousarray(image), source_channels="RGB")


def _albedo_primitive(mesh: Mesh, texture: object | None) -> object:
    import pyrender

    options, material = {}, {}
    if texture is not None:
        options["texcoord_0"] = mesh.uv
        material["baseColorTexture"] = texture
    elif mesh.vertex_colors is not None:
        options["color_0"] = _opaque(mesh.vertex_colors / 255.0)
    else:
        material["baseColorFactor"] = [UNKNOWN_COLOR / 255] * 3 + [1.0]
    return _primitive(mesh, pyrender.MetallicRoughnessMaterial(doubleSided=True, **material), **options)


def _normal_primitive(mesh: Mesh) -> object:
    """The mesh painted with its normals in the object frame, -1..1 as 0..1."""
    import pyrender

    colors = _opaque(mesh.normals * 0.5 + 0.5)
    return _primitive(mesh, pyrender.MetallicRoughnessMaterial(doubleSided=True), color_0=colors)


def _primitive(mesh: Mesh, material: object, **options: object) -> object:
    import pyrender

    return pyrender.Primitive(positions=mesh.vertices, indices=mesh.faces, material=material, **options)


def _opaque(colors: np.ndarray) -> np.ndarray:
    return np.column_stack([colors, np.ones(len(colors))]).astype(np.float32)


def _normals(colors: np.ndarray, mask: np.ndarray, camera: PinholeCamera, camera_T_object: np.ndarray) -> np.ndarray:
    """Unit normals (H, W, 3) in the camera frame, towards the camera, of painted ones."""
    in_object = colors[mask].astype(np.float32) * np.float32(2 / 255) - 1
    in_camera = in_object @ camera_T_object[:3, :3].T.astype(np.float32)
    in_camera /= np.maximum(np.linalg.norm(in_camera, axis=1, keepdims=True), 1e-9)
    facing = np.sum(in_camera * camera.rays()[mask], axis=1, keepdims=True)
    normal = np.zeros((*mask.shape, 3), np.float32)
    normal[mask] = np.where(facing > 0, -in_camera, in_camera)
    return normal


def _empty(camera: PinholeCamera) -> Rendering:
    size = (camera.height, camera.width)
    return Rendering(
        np.zeros((*size, 3), np.uint8),
        np.zeros(size, np.float32),
        np.zeros((*size, 3), np.float32),
        np.zeros(size, bool),
    )
