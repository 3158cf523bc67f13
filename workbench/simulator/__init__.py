"""A ProjectX Gateway on this machine: REST, hubs, accounts, market, faults.

Run it with ``workbench simulator``, or inside a program::

    async with serve(SimulatorSettings(start="2026-11-20T15:00:00Z", rate=60)) as simulator:
        ...  # simulator.url, user "sim", key "simulator-key"

`exchange` is the machine without I/O (requests and time in, events out), `server` puts it on a socket, `pump` moves its
market time. A client that does not ask for the control plane (``/simulator/…``) or the clock extension sees neither.

=================================  ====================================================================================
``GET  /simulator/status``         time, pace, participants, connections, contracts, counts, end of recording
``GET  /simulator/faults``         every switch with its parameters, and those that are on
``POST /simulator/faults``         ``{"fault": "drop_hub", "hub": "user"}``; ``count``, ``duration_s``, parameters
``DELETE /simulator/faults``       all off, or ``?fault=name``
``POST /simulator/clock``          ``{"rate": 60}``, ``{"pause": true}``, ``{"resume": true}``, ``{"lockstep": true}``
``GET  /simulator/requests``       REST requests so far (``?path=/api/Order``), mutations with their bodies
``GET  /simulator/truth``          accounts with floors, positions, orders and trades: the oracle of tests
``POST /simulator/scenario``       the content of a scenario file as JSON
=================================  ====================================================================================
"""
