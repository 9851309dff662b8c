"""Words for the sample traffic."""

ENDPOINTS: tuple[tuple[str, str, str, dict[str, str]], ...] = (
    ("api.northwind.example", "/v2/orders", "POST", {"customer": "cus_81", "currency": "EUR"}),
    ("api.northwind.example", "/v2/orders/search", "GET", {"status": "open"}),
    ("api.northwind.example", "/v2/refunds", "POST", {"order": "ord_4711", "reason": "damaged"}),
    ("docs.harbour.example", "/api/vessels", "GET", {}),
    ("docs.harbour.example", "/api/vessels/positions", "GET", {"bbox": "12.1,54.0,12.9,54.4"}),
    ("docs.harbour.example", "/api/berths/reserve", "PUT", {"berth": "7", "from": "2026-03-01"}),
    ("developer.lumen.example", "/v1/lamps/state", "PATCH", {"on": "true", "colour": "#ffcc00"}),
    ("developer.lumen.example", "/v1/scenes", "DELETE", {}),
)

SENTENCES = (
    "Every request carries a bearer token in its Authorization header.",
    "Lists are paged: pass the cursor of the last answer to read on.",
    "Amounts are whole numbers in the currency's smallest unit.",
    "A webhook that does not answer within ten seconds is tried again.",
    "Idempotency keys are kept for a day and compared with the request's body.",
    "The sandbox answers like the real service but moves no money.",
    "Errors name the field, the rule and the value that broke it.",
    "Rate limits are counted per key; the headers say what is left.",
    "Dates are ISO 8601 in UTC, with milliseconds where they matter.",
    "Deleted objects answer 410 for thirty days, then 404.",
)

PAPERS = (
    ("Retrieval without a Retriever", "Ana Sofia Ribeiro, Jun Watanabe and Peter Okafor"),
    ("How Long Is a Context, Really?", "Marta Lindqvist and Li Wei"),
    ("Folding Proteins on a Budget", "Ines Moreau, Tomás Herrera, Grace Adeyemi, Yusuf Demir"),
    ("Agents That Ask First", "Noor van Dijk, Samuel Osei"),
    ("On the Reproducibility of Reproducibility Studies", "Elif Kaya, John Smith, Wei Zhang, Priya Nair, Omar Haddad, "
     "Lena Fischer and Diego Castillo"),
    ("Private Learning from Public Noise", "Chiara Romano and Aleksander Nowak"),
    ("Graph Networks for Tide Prediction", "Sigrún Jónsdóttir"),
)  # fmt: skip

MESSAGES = (
    "Compare the two papers on senescent cells that I uploaded yesterday.",
    "Which of these compounds crosses the blood-brain barrier?",
    "Summarise the thread so far in five lines.",
    "Is the effect in figure 3 still significant after correction?",
    "Explique-moi la méthode de la section 4, s'il te plaît.",
    "このデータセットの欠損値はどう扱われていますか?",
    "Draft a reply to reviewer 2, friendly but firm 🙂",
    "What changed between the second and the third preprint?",
)

QUESTIONS = (
    "What is known about rapamycin and immune ageing in primates?",
    "Do sleep trackers agree with polysomnography, and for whom do they not?",
    "Which open datasets exist for coastal erosion since 1990?",
    "How do solid-state batteries fail, and what has been tried against it?",
)

SITES = (
    "https://shop.northwind.example/",
    "https://harbour.example/departures",
    "https://www.lumen.example/",
    "https://blog.bakery.example/archive?page=2",
    "https://portal.clinic.example/login",
)

HOOKS = (
    "https://hooks.northwind.example/toril",
    "https://harbour.example/api/callbacks/ai",
    "https://lumen.example/webhooks/8f2c",
)

CUSTOMER_TEXTS = (
    "My parcel is late again and the courier never rang. Refund the delivery fee of €4.90 to ana@bakery.example.",
    "Great service, fast delivery, very helpful on the phone. Thanks!",
    "I was charged twice for the invoice of 2026-02-14, once $19.00 and once $19.99. Which one is wrong?",
    "I cannot sign in: the password reset email never arrives. The account is jun@harbour.example.",
    "The lamp arrived broken, the second one too. I am angry. What happens now?",
    "Could you tell me when the shop in Lisbon opens on Sundays?",
    "Perfect, the new address is right and everything arrived on 2026-01-30. Love it.",
    "The report has forty pages and says little. Its second chapter compares prices of three providers. "
    "The third repeats the second. The annex lists what was left out, which is most of what we asked for.",
)
