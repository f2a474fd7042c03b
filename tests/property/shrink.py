"""Makes a failing row small."""
import copy
import json

import rows

MOST_TRIES = 3000


def _places(value, path=()):
    """Paths to everything inside, the larger parts first."""
    yield path
    if isinstance(value, dict):
        for key in list(value):
            yield from _places(value[key], (*path, key))
    elif isinstance(value, list):
        for index in range(len(value)):
            yield from _places(value[index], (*path, index))


def _at(value, path):
    for step in path:
        value = value[step]
    return value


def _changes(value, path):
    """Smaller values for what stands at the path, which may have gone: (True, None) takes it away."""
    try:
        old = _at(value, path)
    except (KeyError, IndexError, TypeError):
        return
    if path and not isinstance(_at(value, path[:-1]), str):
        yield True, None
        if isinstance(old, str):
            half = len(old) // 2
            yield from ((False, new) for new in (old[:half], old[half:], old[1:], old[:-1]) if len(new) < len(old))
        elif isinstance(old, (dict, list)) and old:
            yield False, type(old)()


def _changed(value, path, remove, new):
    result = copy.deepcopy(value)
    parent = _at(result, path[:-1])
    if remove:
        del parent[path[-1]]
    else:
        parent[path[-1]] = new
    return result


def smallest(line, fails):
    """A smaller line for which `fails` is true, by taking parts away as long as it stays true. The line
    itself where its difference lies in the spelling of its JSON."""
    try:
        value = rows.parse_json(line)
    except rows.RowError:
        return line
    if not isinstance(value, dict) or not fails(json.dumps(value, ensure_ascii=False)):
        return line
    tries, progress = 0, True
    while progress and tries < MOST_TRIES:
        progress = False
        for path in list(_places(value)):
            for remove, new in list(_changes(value, path)):
                candidate = _changed(value, path, remove, new)
                tries += 1
                if fails(json.dumps(candidate, ensure_ascii=False)):
                    value, progress = candidate, True
                    break
            if tries >= MOST_TRIES:
                break
    return json.dumps(value, ensure_ascii=False)
