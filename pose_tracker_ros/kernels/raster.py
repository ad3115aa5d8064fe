"""Rasterizer of triangle meshes: project, z-buffer, resolve, paint.

Triangles are drawn from both sides, but those of closed parts of a surface from outside only, and need no clipping: a pixel is inside when its ray's
barycentric coordinates, found by the cross products of the corners in homogeneous pixel coordinates, are all positive (Olano and Greer, "Triangle scan
conversion using 2D homogeneous coordinates", Graphics Hardware 1997). Divided by the triangle's determinant their sum is
the inverse depth, which is linear in the image.

All arrays are contiguous; indices are unsigned where it matters, since signed ones cost a check of their sign. The window
is the part of the image that is drawn: its first column ``left``, its first row ``top``, and the shape of the buffers. Pixel
centres are at integer coordinates.
"""

from __future__ import annotations

from math import ceil, floor

import numpy as np

from pose_tracker_ros.kernels.compilation import helper, kernel

# Corners nearer than this may be behind the camera, where projections mean nothing.
NEAR_M = 1e-6
# A pixel on the edge of two triangles belongs to both: roundings of 1e-16 must leave no crack.
EDGE_SLACK = 1e-12
# Below this, relative to its terms, the determinant of a triangle without area or seen edge-on is nothing but rounding.
LEAST_DETERMINANT = 1e-11
# Edges that change less along a row, relative to their terms, are taken to be parallel to it.
LEAST_SLOPE = 1e-14
# All pixels of a box of so few are asked; of a larger one rows are cut by the edges, which takes three divisions.
FEW_PIXELS = 32
# So many pixels of a row are asked at once, beyond the last column of a window, too: rows of what is seen are longer by LANES - 1.
LANES = 4
# What is seen in a pixel: the bits of the inverse depth, float32 in 1/m, above those of FACE less the face; 0 where that is nothing. The larger of
# two is the nearer, or of two as near the one with the lower number.
FACE_BITS = 32
FACE = (1 << FACE_BITS) - 1
# Normals that cancel out have no direction; their squared length is at least this.
LEAST_SQUARE = np.float32(1e-18)
# Farther than any image reaches.
FAR_PX = 1e30
# cv2.remap knows 32 places between two texels.
TEXEL_BITS = 5
TEXEL_STEPS = 1 << TEXEL_BITS


@kernel("UniTuple(float64, 6)(float32[:, ::1], float64[:, ::1], float64[:, ::1], float64[:, ::1])")
def project(vertices, projection, points, pixels):
    """Project vertices (V, 3) by a matrix (3, 4), intrinsics times camera_T_object.

    Fills ``points`` (V, 3), homogeneous pixel coordinates whose third is the depth in metres, and ``pixels`` (V, 2), which
    mean nothing where that is not above NEAR_M. Returns the least and largest column and row of what is, and depth of all.
    """
    low_column = low_row = low_depth = FAR_PX
    high_column = high_row = high_depth = -FAR_PX
    p00, p01, p02, p03 = projection[0, 0], projection[0, 1], projection[0, 2], projection[0, 3]
    p10, p11, p12, p13 = projection[1, 0], projection[1, 1], projection[1, 2], projection[1, 3]
    p20, p21, p22, p23 = projection[2, 0], projection[2, 1], projection[2, 2], projection[2, 3]
    for vertex in range(vertices.shape[0]):
        x, y, z = vertices[vertex, 0], vertices[vertex, 1], vertices[vertex, 2]
        across = p00 * x + p01 * y + p02 * z + p03
        along = p10 * x + p11 * y + p12 * z + p13
        depth = p20 * x + p21 * y + p22 * z + p23
        points[vertex, 0], points[vertex, 1], points[vertex, 2] = across, along, depth
        low_depth, high_depth = min(low_depth, depth), max(high_depth, depth)
        if depth > NEAR_M:
            column, row = across / depth, along / depth
            pixels[vertex, 0], pixels[vertex, 1] = column, row
            low_column, high_column = min(low_column, column), max(high_column, column)
            low_row, high_row = min(low_row, row), max(high_row, row)
    return low_column, high_column, low_row, high_row, low_depth, high_depth


@helper
def _edges(points, one, two, three):
    """Coefficients (across, along, constant) of the three edges' functions of the pixel, and the determinant that they are to be divided by:
    0 for a triangle without area or seen edge-on."""
    x0, y0, z0 = points[one, 0], points[one, 1], points[one, 2]
    x1, y1, z1 = points[two, 0], points[two, 1], points[two, 2]
    x2, y2, z2 = points[three, 0], points[three, 1], points[three, 2]
    a0, b0, c0 = y1 * z2 - z1 * y2, z1 * x2 - x1 * z2, x1 * y2 - y1 * x2
    a1, b1, c1 = y2 * z0 - z2 * y0, z2 * x0 - x2 * z0, x2 * y0 - y2 * x0
    a2, b2, c2 = y0 * z1 - z0 * y1, z0 * x1 - x0 * z1, x0 * y1 - y0 * x1
    terms_x, terms_y, terms_z = x0 * a0, y0 * b0, z0 * c0
    determinant = terms_x + terms_y + terms_z
    if abs(determinant) <= LEAST_DETERMINANT * (abs(terms_x) + abs(terms_y) + abs(terms_z)):
        determinant = 0.0
    return (a0, b0, c0), (a1, b1, c1), (a2, b2, c2), determinant


@helper
def _scaled(edge, scale):
    return edge[0] * scale, edge[1] * scale, edge[2] * scale


@helper
def _with_slack(edge, right, bottom):
    """An edge whose function is 0 a little farther outside."""
    return edge[0], edge[1], edge[2] + EDGE_SLACK * (abs(edge[0]) * right + abs(edge[1]) * bottom + abs(edge[2]))


@helper
def _value(edge, row, column):
    return edge[0] * column + edge[1] * row + edge[2]


@helper
def _border(edge, right, bottom):
    """Between which columns an edge's function is positive in a row, and one more: from slope * row + start to another slope * row + start."""
    if abs(edge[0]) * right <= LEAST_SLOPE * (abs(edge[1]) * bottom + abs(edge[2])):
        return 0.0, -FAR_PX, 0.0, FAR_PX
    scale = -1.0 / edge[0]
    slope, start = edge[1] * scale, edge[2] * scale
    return (slope, start - 1.0, 0.0, FAR_PX) if edge[0] > 0.0 else (0.0, -FAR_PX, slope, start + 1.0)


@helper
def _key(inverse_depth, face):
    """What is seen in a pixel, see FACE_BITS."""
    return (np.int64(np.float32(inverse_depth).view(np.int32)) << FACE_BITS) | face


@helper
def _face(seen):
    """The face that is seen in a pixel, -1 for none."""
    return FACE - (seen & FACE) if seen else -1


@helper
def _nearer(seen, other):
    """The larger of two numbers that are not negative, without a branch."""
    more = other - seen
    return seen + (more & ~(more >> 63))


@helper
def _list_faces(points, pixels, faces, closed, both_sides, left, top, right, bottom, boxes, order):
    """Find faces that may be seen in a window up to column ``right`` and row ``bottom``, and where.

    Fills ``boxes`` (F, 4) of pixels: first and end row, first and end column; and ``order`` (F + 1) of faces: those towards the camera from its
    beginning on, those away, but for ``closed`` ones (F,) unless ``both_sides`` of them are asked for, from its end on. Returns how many are towards
    it, and where the others begin. What is not behind the camera is found without branches, which no processor foresees here.
    """
    margin = EDGE_SLACK * max(right, bottom, 1.0)
    towards, away, one_more = np.uint64(0), np.uint64(faces.shape[0]), np.int32(1)
    for face in range(faces.shape[0]):
        one, two, three = faces[face, 0], faces[face, 1], faces[face, 2]
        low_column, high_column, low_row, high_row, is_away = left, right, top, bottom, False
        if min(points[one, 2], points[two, 2], points[three, 2]) > NEAR_M:
            x0, x1, x2 = pixels[one, 0], pixels[two, 0], pixels[three, 0]
            y0, y1, y2 = pixels[one, 1], pixels[two, 1], pixels[three, 1]
            low_column, high_column = max(left, min(x0, x1, x2) - margin), min(right, max(x0, x1, x2) + margin)
            low_row, high_row = max(top, min(y0, y1, y2) - margin), min(bottom, max(y0, y1, y2) + margin)
            # Clockwise, or seen edge-on.
            is_away = (x1 - x0) * (y2 - y0) >= (x2 - x0) * (y1 - y0)
        elif max(points[one, 2], points[two, 2], points[three, 2]) <= 0.0:
            continue
        first_row, last_row, first_column, last_column = ceil(low_row), floor(high_row), ceil(low_column), floor(high_column)
        boxes[face, 0], boxes[face, 1] = np.int32(first_row), np.int32(last_row) + one_more
        boxes[face, 2], boxes[face, 3] = np.int32(first_column), np.int32(last_column) + one_more
        order[towards] = order[away] = face
        # As floats: what is far outside is beyond any integer.
        is_any = (first_row <= last_row) & (first_column <= last_column)
        towards += np.uint64(is_any & (not is_away))
        away -= np.uint64(is_any & is_away & (both_sides | (not closed[face])))
    return np.int64(towards), np.int64(away) + 1


@helper
def _is_hidden(seen, first_row, end_row, first_column, end_column, nearest):
    """Whether all pixels of a box of at most LANES columns see something nearer than a depth; of a wider one that is not asked."""
    if end_column - first_column > LANES:
        return False
    first, last = np.uint64(first_column), np.uint64(end_column - 1)
    second, third = min(first + np.uint64(1), last), min(first + np.uint64(2), last)
    limit = _key(1.0 / nearest, 0)
    least = limit
    for row in range(np.uint64(first_row), np.uint64(end_row)):
        least = min(least, seen[row, first], seen[row, second], seen[row, third], seen[row, last])
    return least >= limit


@kernel("void(float64[:, ::1], float64[:, ::1], uint32[:, ::1], boolean[::1], boolean, int64, int64, int32[:, ::1], uint32[::1], int64[:, ::1])")
def rasterize(points, pixels, faces, closed, both_sides, left, top, boxes, order, seen):
    """Find the nearest of the faces (F, 3) in every pixel of a window; ``closed`` ones (F,) that face away are left out unless ``both_sides`` are asked for.

    ``points`` and ``pixels`` come from :func:`project`; ``boxes`` (F, 4) and ``order`` (F + 1) are room to work in. Fills ``seen`` (rows, columns +
    LANES - 1), whose last columns mean nothing.
    """
    seen[:] = 0
    right, bottom = float(left + seen.shape[1] - LANES), float(top + seen.shape[0] - 1)
    towards, away = _list_faces(points, pixels, faces, closed, both_sides, float(left), float(top), right, bottom, boxes, order)
    right, bottom = max(right, 1.0), max(bottom, 1.0)
    # What faces away comes last, when most of it is found to be hidden.
    for number in range(towards + order.shape[0] - away):
        is_away = number >= towards
        face = order[np.uint64(number + away - towards if is_away else number)]
        first_row, end_row, first_column, end_column = boxes[face, 0], boxes[face, 1], boxes[face, 2], boxes[face, 3]
        one, two, three = faces[face, 0], faces[face, 1], faces[face, 2]
        if is_away:
            box = first_row - top, end_row - top, first_column - left, end_column - left
            if _is_hidden(seen, *box, min(points[one, 2], points[two, 2], points[three, 2])):
                continue
        edge_0, edge_1, edge_2, determinant = _edges(points, one, two, three)
        if determinant == 0.0:
            continue
        scale = 1.0 / determinant
        edge_0 = _with_slack(_scaled(edge_0, scale), right, bottom)
        edge_1 = _with_slack(_scaled(edge_1, scale), right, bottom)
        edge_2 = _with_slack(_scaled(edge_2, scale), right, bottom)
        number_of_face = FACE - np.int64(face)
        border_0 = border_1 = border_2 = (0.0, -FAR_PX, 0.0, FAR_PX)
        is_large = (end_row - first_row) * (end_column - first_column) > FEW_PIXELS
        if is_large:
            border_0, border_1, border_2 = _border(edge_0, right, bottom), _border(edge_1, right, bottom), _border(edge_2, right, bottom)
        start, count = first_column, end_column - first_column
        for row in range(first_row, end_row):
            if is_large:
                low = max(first_column, border_0[0] * row + border_0[1], border_1[0] * row + border_1[1], border_2[0] * row + border_2[1])
                high = min(end_column - 1, border_0[2] * row + border_0[3], border_1[2] * row + border_1[3], border_2[2] * row + border_2[3])
                start = int(low)
                count = max(int(high) - start + 1, 0)
            value_0, value_1, value_2 = _value(edge_0, row, start), _value(edge_1, row, start), _value(edge_2, row, start)
            along, window_row, place = 0.0, np.uint64(row - top), np.uint64(start - left)
            for lane in range(np.uint64(count + LANES - 1) // np.uint64(LANES) * np.uint64(LANES)):
                share_0, share_1, share_2 = value_0 + along * edge_0[0], value_1 + along * edge_1[0], value_2 + along * edge_2[0]
                other = _key(share_0 + share_1 + share_2, number_of_face) if min(share_0, share_1, share_2) >= 0.0 else 0
                seen[window_row, place + lane] = _nearer(seen[window_row, place + lane], other)
                along += 1.0


@helper
def _turn_towards_camera(normals, turn, intrinsics, left, row):
    """Normals (3, columns) float32 of a row's pixels, from ``left`` on, from the object's axes to the camera's by ``turn`` (3, 3), towards it and of length 1.

    Zeros stay. Without branches, so that it is vectorised.
    """
    step, down = np.float32(1.0 / intrinsics[0]), np.float32((row - intrinsics[3]) / intrinsics[1])
    first = np.float32((left - intrinsics[2]) / intrinsics[0])
    for column in range(normals.shape[1]):
        across, along, away = normals[0, column], normals[1, column], normals[2, column]
        x = turn[0, 0] * across + turn[0, 1] * along + turn[0, 2] * away
        y = turn[1, 0] * across + turn[1, 1] * along + turn[1, 2] * away
        z = turn[2, 0] * across + turn[2, 1] * along + turn[2, 2] * away
        facing = x * (first + step * np.float32(column)) + y * down + z
        length = np.sqrt(max(x * x + y * y + z * z, LEAST_SQUARE))
        scale = (np.float32(-1.0) if facing > 0.0 else np.float32(1.0)) / length
        normals[0, column], normals[1, column], normals[2, column] = x * scale, y * scale, z * scale


@kernel(
    "float64(float64[:, ::1], uint32[:, ::1], float32[:, ::1], float64[:, ::1], float64[::1], int64, int64, "
    "int64[:, ::1], float32[:, :, ::1], float32[:, ::1], float32[:, :, ::1], boolean[:, ::1])"
)
def resolve(points, faces, normals, rotation, intrinsics, left, top, seen, barycentric, depth, normal, mask):
    """Depth, normals and mask of the faces that :func:`rasterize` found.

    ``normals`` (V, 3) of the vertices in the object frame, ``rotation`` (3, 3) of camera_T_object, ``intrinsics`` (4) fx,
    fy, cx, cy. Fills ``barycentric`` (rows, columns, 2) of the window, the shares of the second and third corner, and the
    window's part of the image's ``depth`` (H, W) metres, ``normal`` (H, W, 3) towards the camera, 0 where nothing is seen, and
    ``mask`` (H, W); depth and mask of pixels that see nothing stay as they are. Returns the mean depth in metres, 0 when nothing is seen.
    """
    total, count, last, columns = 0.0, 0, -1, barycentric.shape[1]
    one = two = three = faces[0, 0]
    edge_0 = edge_1 = edge_2 = (0.0, 0.0, 0.0)
    determinant = 0.0
    in_object, turn = np.empty((3, columns), np.float32), rotation.astype(np.float32)
    for window_row in range(barycentric.shape[0]):
        row = window_row + top
        in_object[:] = 0.0
        for window_column in range(columns):
            face = _face(seen[window_row, window_column])
            if face < 0:
                continue
            column = window_column + left
            if face != last:
                one, two, three = faces[face, 0], faces[face, 1], faces[face, 2]
                edge_0, edge_1, edge_2, determinant = _edges(points, one, two, three)
                last = face
            value_1, value_2 = _value(edge_1, row, column), _value(edge_2, row, column)
            scale = 1.0 / (_value(edge_0, row, column) + value_1 + value_2)
            distance = determinant * scale
            # Within the slack of an edge they may be a little negative.
            share_1, share_2 = np.float32(max(value_1 * scale, 0.0)), np.float32(max(value_2 * scale, 0.0))
            share_0 = max(np.float32(1.0) - share_1 - share_2, np.float32(0.0))
            for axis in range(3):
                in_object[axis, window_column] = share_0 * normals[one, axis] + share_1 * normals[two, axis] + share_2 * normals[three, axis]
            depth[row, column] = distance
            mask[row, column] = True
            barycentric[window_row, window_column, 0] = share_1
            barycentric[window_row, window_column, 1] = share_2
            total += distance
            count += 1
        _turn_towards_camera(in_object, turn, intrinsics, left, row)
        for window_column in range(columns):
            for axis in range(3):
                normal[row, window_column + left, axis] = in_object[axis, window_column]
    return total / max(count, 1)


@helper
def _window(bounds, rows, columns):
    """First column and row of the part of an image in which a mesh of these bounds, of :func:`project`, can be seen, and how many there are."""
    low_column, high_column, low_row, high_row, low_depth, high_depth = bounds
    if high_depth <= 0:
        return 0, 0, 0, 0
    if low_depth <= NEAR_M:
        return 0, 0, columns, rows
    left, top = int(max(floor(low_column), 0.0)), int(max(floor(low_row), 0.0))
    right, bottom = int(min(ceil(high_column), columns - 1.0)), int(min(ceil(high_row), rows - 1.0))
    if right < left or bottom < top:
        return 0, 0, 0, 0
    return left, top, right - left + 1, bottom - top + 1


@kernel(
    "Tuple((int64, int64, int64, int64, float64))(float32[:, ::1], float32[:, ::1], uint32[:, ::1], boolean[::1], float64[:, ::1], float64[::1], "
    "float64[:, ::1], float64[:, ::1], int32[:, ::1], uint32[::1], int64[::1], float32[::1], "
    "float32[:, ::1], float32[:, :, ::1], boolean[:, ::1])"
)
def draw(
    vertices, normals, faces, closed, camera_T_object, intrinsics, points, pixels, boxes, order, seen, barycentric, depth, normal, mask
):
    """Draw a mesh at a pose (4, 4), some of whose faces are ``closed`` (F,): :func:`project`, :func:`rasterize` and :func:`resolve` in the part of an image where it is seen.

    Fills that part of ``depth`` (H, W), ``normal`` (H, W, 3) and ``mask`` (H, W), of an image with ``intrinsics`` (4,), and the beginnings of
    ``seen`` (rows, columns + LANES - 1) and ``barycentric`` (rows, columns, 2), whose sizes are those of an image at least; ``points``, ``pixels``, ``boxes``
    and ``order`` are room to work in. Returns its first column and row, how many of them there are, none where the mesh is out of sight, and the
    mean depth in metres.
    """
    projection = np.empty((3, 4))
    for column in range(4):
        for row in range(2):
            centered = intrinsics[2 + row] * camera_T_object[2, column]
            projection[row, column] = intrinsics[row] * camera_T_object[row, column] + centered
        projection[2, column] = camera_T_object[2, column]
    bounds = project(vertices, projection, points, pixels)
    left, top, columns, rows = _window(bounds, mask.shape[0], mask.shape[1])
    if rows * columns == 0:
        return left, top, columns, rows, 0.0
    length = columns + LANES - 1
    seen = seen[: rows * length].reshape((rows, length))
    # What has the camera inside has something behind it, too.
    rasterize(points, pixels, faces, closed, bounds[4] <= NEAR_M, left, top, boxes, order, seen)
    shares, rotation = barycentric[: 2 * rows * columns].reshape((rows, columns, 2)), np.ascontiguousarray(camera_T_object[:3, :3])
    mean = resolve(points, faces, normals, rotation, intrinsics, left, top, seen, shares, depth, normal, mask)
    return left, top, columns, rows, mean


@helper
def _to_texels(places, size, texels, parts):
    """Where places (N,) of a texture, each as long as 1, lie between its texels: those before, -1 to size - 1, and so many steps of 1/32 after them."""
    for number in range(places.shape[0]):
        place = (places[number] - floor(places[number])) * size - 0.5
        steps = np.int32(floor(place * TEXEL_STEPS + 0.5))
        # A shift and a mask: a division of what may be negative takes longer.
        texels[number], parts[number] = steps >> np.int32(TEXEL_BITS), steps & np.int32(TEXEL_STEPS - 1)


@kernel(
    "void(int64[:, ::1], float32[:, :, ::1], uint32[:, ::1], float32[:, ::1], uint8[:, :, ::1], int64, int64, "
    "uint8[:, :, ::1])"
)
def paint_texture(seen, barycentric, faces, uv, texture, left, top, color):
    """Texture (rows + 2, columns + 2, 3), repeating and bilinear, into the window's part of ``color`` (H, W, 3).

    The texture's border of one texel repeats the other side. ``uv`` (V, 2) of the vertices, v upwards. Positions are rounded to 1/32 texel, as OpenCV does.
    Every step is done for a row of pixels: one pixel's would wait for each other.
    """
    columns = barycentric.shape[1]
    pixels, u, v = np.empty(columns, np.uint32), np.empty(columns), np.empty(columns)
    texel, part = np.empty((2, columns), np.int32), np.empty((2, columns), np.int32)
    for window_row in range(barycentric.shape[0]):
        count = np.uint64(0)
        for column in range(columns):
            face = _face(seen[window_row, column])
            if face < 0:
                continue
            one, two, three = faces[np.uint64(face), 0], faces[np.uint64(face), 1], faces[np.uint64(face), 2]
            share_1, share_2 = float(barycentric[window_row, column, 0]), float(barycentric[window_row, column, 1])
            share_0 = 1.0 - share_1 - share_2
            u[count] = share_0 * uv[one, 0] + share_1 * uv[two, 0] + share_2 * uv[three, 0]
            v[count] = 1.0 - (share_0 * uv[one, 1] + share_1 * uv[two, 1] + share_2 * uv[three, 1])
            pixels[count] = column + left
            count += np.uint64(1)
        _to_texels(u[:count], texture.shape[1] - 2, texel[0], part[0])
        _to_texels(v[:count], texture.shape[0] - 2, texel[1], part[1])
        row = np.uint64(window_row + top)
        for number in range(count):
            across, along = np.uint32(part[0, number]), np.uint32(part[1, number])
            lower_right = across * along
            upper_right, lower_left = np.uint32(TEXEL_STEPS) * across - lower_right, np.uint32(TEXEL_STEPS) * along - lower_right
            upper_left = np.uint32(TEXEL_STEPS**2) - lower_right - upper_right - lower_left
            x0, y0 = np.uint64(texel[0, number] + 1), np.uint64(texel[1, number] + 1)
            x1, y1 = x0 + np.uint64(1), y0 + np.uint64(1)
            for channel in range(3):
                value = upper_left * texture[y0, x0, channel] + upper_right * texture[y0, x1, channel]
                value += lower_left * texture[y1, x0, channel] + lower_right * texture[y1, x1, channel]
                color[row, pixels[number], channel] = (value + TEXEL_STEPS**2 // 2) >> (2 * TEXEL_BITS)


@kernel(
    "void(int64[:, ::1], float32[:, :, ::1], int64[::1], int64[::1], uint8[:, ::1], int64, int64, uint8[:, :, ::1])"
)
def paint_grids(seen, barycentric, steps, starts, colors, left, top, color):
    """Colours on a grid of each face, interpolated in its small triangles, into the window's part of ``color`` (H, W, 3).

    A face of n ``steps`` (F) has its colours in rows of ``colors`` (N, 3) from ``starts`` (F) on: those where the shares of
    the second and third corner are i / n and j / n, i + j <= n, in the order of i, then j: those of its corners in the order
    1, 3, 2 for one step. Source of the idea: Yuksel,
    Keyser and House, "Mesh colors", ACM Transactions on Graphics 29(2), 2010.
    """
    for row in range(barycentric.shape[0]):
        for column in range(barycentric.shape[1]):
            face = _face(seen[row, column])
            if face < 0:
                continue
            parts = steps[face]
            across, along = float(barycentric[row, column, 0]) * parts, float(barycentric[row, column, 1]) * parts
            i = min(int(across), parts - 1)
            j = min(int(along), parts - 1 - i)
            across, along = across - i, along - j
            # Rows of the grid become shorter by one from each to the next.
            here = starts[face] + i * (parts + 1) - i * (i - 1) // 2 + j
            beyond = here + parts + 1 - i
            first, second, third = here, beyond, here + 1
            if across + along > 1.0 and i + j < parts - 1:
                first, second, third = beyond + 1, here + 1, beyond
                across, along = 1.0 - across, 1.0 - along
            for channel in range(3):
                value = (
                    (1.0 - across - along) * colors[first, channel]
                    + across * colors[second, channel]
                    + along * colors[third, channel]
                )
                color[row + top, column + left, channel] = int(max(value, 0.0) + 0.5)
