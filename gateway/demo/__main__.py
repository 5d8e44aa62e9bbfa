"""The entry of the demo upstream. Blocking calls are made cooperative before anything else is loaded."""

from gevent import monkey

monkey.patch_all()

from gateway.demo.serve import main  # noqa: E402 - must come after patching

if __name__ == "__main__":
    main()
