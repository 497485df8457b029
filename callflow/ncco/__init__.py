"""Layer 4: NCCO, the Vonage Voice API's dialect, on the calls, recordings and deliveries of callflows.

``script.py`` a document as actions · ``moves.py`` what an action can decide · ``runner.py`` walks a script
over a call · ``session.py`` what a call's actions share: its application, conversation, legs, web server ·
``application.py`` the account's applications · ``answering.py`` a call's first script · ``asking.py`` asks a
web server for a script · ``states.py`` tells a call's states · ``events.py`` bodies of webhooks ·
``uuids.py`` names · ``placing.py`` calls that REST begins · ``pressing.py`` digits to a
leg · ``actions/`` one file per action.
"""
