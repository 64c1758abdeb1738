class Postgres:
    def __init__(self, processes):
        raise NotImplementedError
