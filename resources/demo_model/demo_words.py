"""The words the demo model knows, by the part they play in its sentences.

About half of them never stand in a sentence: they only occur in rows of random words, where every word of the
vocabulary is drawn with the same chance, so the model has to copy them by their place and not by habit.
"""


def split(text: str) -> list[str]:
    """The words of a text."""
    return text.split()


NAMES = split("""
Alice Adam Amy Andrew Anna Anthony Barbara Ben Beth Brian Carol Charles Claire Colin Dana Daniel Diana David Edith
Edward Ella Eric Emily Felix Emma Frank Eva Fred Fiona George Grace Gary Hannah Harry Helen Henry Irene Hugo Iris Ian
Jane Jack Jenny James Julia Jason Karen John Kate Joseph Laura Keith Leah Kevin Lily Kurt Linda Leo Lisa Louis Lucy
Luke Maria Mark Martha Martin Mary Matt Megan Max Mia Michael Monica Nathan Nancy Neil Nina Nick Nora Noah Olivia
Oliver Paula Oscar Rachel Owen Rose Patrick Ruth Paul Sandra Peter Sara Philip Sophie Ralph Stella Richard Susan
Robert Tina Roger Vera Sam Violet Simon Wendy Steve Yvonne Thomas Zoe Tom Victor Walter
""")

PLACES = split("""
airport attic bakery bank barn beach bridge cafe castle cellar church cinema circus clinic college court farm
forest garage garden gym hall harbor hospital hotel house island kitchen lake library market meadow museum office
palace park pharmacy playground pool port prison restaurant river school shop square stadium station store street
studio temple theater tower tunnel university valley village yard zoo
""")

OBJECTS = split("""
ball balloon banana basket bell blanket book bottle bowl box bracelet bread brush bucket cake camera candle card
carpet chain chair clock coat coin computer cookie cup doll dress drink drum fan feather flag flower flute fork gift
glass glove hammer hat helmet kettle key kite knife ladder lamp lemon letter map medal mirror mug necklace newspaper
notebook painting pan peach pear pen pencil phone photo pillow plate purse puzzle radio ribbon ring rope ruler
sandwich scarf shirt shoe spoon stamp stone sword ticket towel toy vase violin wallet watch whistle
""")

ANIMALS = split("""
bear bird camel cat cow crow deer dog donkey duck fox frog goat goose hen horse lion monkey mouse owl parrot pig
rabbit sheep snake swan tiger turtle whale wolf
""")

ADJECTIVES = split("""
big black blue bright broken brown clean cold dark empty golden gray green heavy huge large light little lovely new
old orange pink plain pretty purple quiet red round shiny silver small soft strange tall tiny warm white wooden yellow
""")

GIVING_VERBS = split("brought gave handed lent offered passed sent showed sold threw")

# The words that hold the sentences together, with the capital letter they take at the start of one.
FRAME_WORDS = split("""
. , When After While Then Later Before Yesterday Today The A In At Because a an and at by for from had in it met near
of on to the then they was were went with got arrived argued played talked walked walking together long day fun saw
found lost slept stood ran jumped over under behind wanted decided
""")

# Words that stand in no sentence: they fill the rows of random words.
OTHER_WORDS = split("""
able above across action air alone among angle answer apple arm army artist atom autumn axis baby bacon band base bath
bean beauty bed bee below bench berry blood board boat body bone boot border branch brave brick broad bronze brother
bus butter button cabin canal canvas carbon care cave century chalk chance cheese chest chief child circle city class
clay clever cliff cloth cloud coal coast color comet copper coral corn corner cotton cousin cream crowd crown crystal
curve dance danger daughter dawn deep desert desk diamond dinner dish doctor door dot double dragon dream dry dust
eagle ear early earth east easy echo edge eight engine evening event eye fabric face factory fame family father fear
fence field fifty finger fire first fish five floor fly fog food foot four free fresh friend frost fruit future gate
ghost giant gold grain grape grass gravity ground group guest guide hair hand happy heart heat hill hole honey hope
hour ice idea ink inner iron jacket jazz jelly joke journey joy judge juice jungle king knee lady language law leaf
leather lesson level liberty limit line lip liquid logic luck lunch machine magic marble mask master maze meal memory
metal middle milk million mind minute model moment money month moon morning moss mother motor mountain mouth movie
music nation nature neck needle nest net night nine noise noon north nose number oak ocean oil olive onion open opera
orbit ounce outer oven oxygen page paint pair paper parade parent part path pattern peace pepper piano picture piece
pilot pipe planet plant plastic pocket poem poet point potato powder power price prince problem proof queen question
race rain rapid razor reason rice rich rifle road robot rock roof room root rough rubber sail salad salt sand scale
science screen sea season secret seed seven shadow shape sharp ship shore short shoulder silence silk simple singer
sister six skin sky sleep slow smoke snow soap soil soldier song sound soup south space spark speech spider spirit
spring star steam steel stem step storm story stream sugar summer sun surface sweet table tail tea teacher ten tent
thick thin third thread three thumb thunder time title tobacco tooth town trade train tree truth twin two uncle unit
velvet verb vessel victory view voice vote wagon wall war wave wax weather week west wheat wheel wide wild wind window
wine winter wire wise woman wonder wood wool word world yellowish young zero zone
""")
