"""Deliberate mistakes in reading and writing checkpoints and models: what, the right text, the wrong one."""

INTEROP = True
TESTS = ("interop/test_checkpoints.py", "interop/test_hugging_face.py")
MISTAKES = {
    "interop/state_dicts.py": [
        ("in training mode", "return ours.eval()", "return ours"),
        ("other kinds pass", "if family is None:", "if False:"),
        ("prefix of a head forgotten", "else family.prefix", 'else ""'),
        ("prefix before the heads", "name if name.startswith(family.heads) else prefix + name", "prefix + name"),
        ("configurations of a class pass", "        if not isinstance(given, Mapping):\n", "        if False:\n"),
        ("arrays pass", "if not isinstance(weight, Tensor):", "if False:"),
        ("names in memory not known", "family.on_disk(name): weight for", "name: weight for"),
    ],
    "interop/hugging_face.py": [
        ("mode lost", "attend).train(model.training)", "attend)"),
        ("mode lost on the way back", "return theirs.train(model.training)", "return theirs"),
        ("attend ignored", "weights, attend).train", "weights, scaled_dot_product_attention).train"),
        ("dropout in training passes", "    if model.training:\n", "    if False:\n"),
        ("dropout in eval mode refused", "    if model.training:\n", "    if True:\n"),
        ("other classes pass", "or name not in FOUND:", "or False:"),
        ("Marian forgotten", 'and name == "MarianMTModel"', "and False"),
        ("random numbers drawn", "with torch.random.fork_rng(devices=[]):", "with torch.enable_grad():"),
        ("tables not tied", "    theirs.tie_weights()\n", ""),
        ("buffers left on the CPU", "    theirs.to(next(iter(weights.values())).device)", "    theirs.to()"),
        ("weights lost", "if missing or left:", "if missing:"),
        ("weights made up", "if missing or left:", "if left:"),
        ("always with a pooler", '"pooler.dense.weight" in weights', "True"),
        ("frozen weights thawed", "weight.detach(), weight.requires_grad", "weight.detach(), True"),
    ],
    "interop/checkpoints.py": [
        (
            "one file of several",
            "for name in sorted(set(where.values())):",
            "for name in sorted(set(where.values()))[:1]:",
        ),
        ("index not read", 'if (index := folder / f"{name}.index.json").is_file():', "if False:"),
        ("pickled files not read", "for name in (SAFE, PICKLED):", "for name in (SAFE,):"),
        ("pickled files run", "weights_only=True)", "weights_only=False)"),
        ("attend ignored", "_read(who, folder), attend)", "_read(who, folder), scaled_dot_product_attention)"),
        ("folder not made", "    folder.mkdir(parents=True, exist_ok=True)\n", ""),
        ("dtype not written", '    config["dtype"]', '    config["other"]'),
        ("pointers read", "if file.read(len(POINTER)) == POINTER:", "if False:"),
        ("errors of safetensors not told", "    except Exception as error:", "    except KeyError as error:"),
        ("pickled models not told", "    except pickle.UnpicklingError as error:", "    except KeyError as error:"),
        ("what is no JSON", "    except ValueError as error:", "    except KeyError as error:"),
        ("lists taken for objects", "    if not isinstance(content, dict):", "    if False:"),
        ("an index without its map", "    if not isinstance(where, dict) or", "    if False and"),
        ("files that are not there", "        if not path.is_file():\n", "        if False:\n"),
        ("folders without a configuration", 'if not (folder / "config.json").is_file():', "if False:"),
    ],
    "interop/_extra.py": [
        ("what is missing inside told as missing", "if error.name != name:", "if False:"),
        ("no sentence", "if error.name != name:", "if True:"),
    ],
}
